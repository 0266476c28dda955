-- Takes a room back to where its log can be followed, if it still is where it was read. KEYS: head hash, log stream, snapshot, queue.
-- ARGV: rev and id of the head, rev and id of the new head ('' = the room is removed), entries that go
local head = redis.call('HMGET', KEYS[1], 'v', 't')
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  return 1
end
for i = 5, #ARGV do redis.call('XDEL', KEYS[2], ARGV[i]) end
-- The stream remembers the entries that are gone, and would take no other ones of these numbers.
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('XSETID', KEYS[2], ARGV[3] .. '-0') end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 't', ARGV[4])
return 1
