-- The survivor who has taken a dead node out goes on clearing up ('care'), is done ('done'), or a node says goodbye itself ('bye').
-- KEYS: nodes, dead nodes. ARGV: incarnation, what, last sign
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
if ARGV[2] == 'done' then return redis.call('HDEL', KEYS[2], ARGV[1]) end
if ARGV[2] == 'care' then return redis.call('HSET', KEYS[2], ARGV[1], ARGV[3] .. ' ' .. now) end
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('HSET', KEYS[2], ARGV[1], now .. ' 0')
