-- A node says that it lives, and sees who else does. KEYS: nodes, dead nodes. ARGV: incarnation
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local known = 1 - redis.call('ZADD', KEYS[1], now, ARGV[1])
return {now, known, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), redis.call('HGETALL', KEYS[2])}
