-- Writes the queue for other tools, if the room is still where it was. KEYS: head hash, queue. ARGV: rev, id, users in order
local head = redis.call('HMGET', KEYS[1], 'v', 't')
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
for i = 3, #ARGV do redis.call('ZADD', KEYS[2], i - 3, ARGV[i]) end
return 1
