-- Reads a room in one step. KEYS: head hash, log stream, snapshot
local head = redis.call('HMGET', KEYS[1], 'v', 't')
if not head[1] then return {} end
return {head[1], head[2], redis.call('GET', KEYS[3]) or '', redis.call('XRANGE', KEYS[2], '-', '+')}
