-- The survivor who has taken a dead node out goes on clearing up ('care') or is done ('done'); a node says goodbye ('bye'): others clear up
-- after it, and after those it has cleared up after. One that is taken out already stays with whoever does so.
-- KEYS: nodes, dead nodes. ARGV: incarnation, what, last sign (care); further: incarnation and last sign of each that it leaves to others (bye)
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
if ARGV[2] == 'done' then return redis.call('HDEL', KEYS[2], ARGV[1]) end
if ARGV[2] == 'care' then return redis.call('HSET', KEYS[2], ARGV[1], ARGV[3] .. ' ' .. now) end
for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1] .. ' 0')
end
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('HSETNX', KEYS[2], ARGV[1], now .. ' 0')
