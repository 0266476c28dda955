-- Creates a room if absent. KEYS: head hash, log stream, snapshot. ARGV: rev, id, snapshot
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'v', ARGV[1], 't', ARGV[2])
redis.call('SET', KEYS[3], ARGV[3])
return 1
