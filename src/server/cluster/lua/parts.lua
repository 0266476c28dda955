-- A node tells its part of people in a room. KEYS: members, channel.
-- ARGV: incarnation, then per person: user, type, state ('' = none). The message to the other nodes: 'P <count of changes> <incarnation>', then the same triples
redis.call('HSET', KEYS[1], '#' .. ARGV[1], '1')
for i = 2, #ARGV, 3 do
  local raw = redis.call('HGET', KEYS[1], ARGV[i])
  local record = raw and cjson.decode(raw) or {n = {}}
  record.t = ARGV[i + 1]
  record.n[ARGV[1]] = ARGV[i + 2] ~= '' and ARGV[i + 2] or nil
  if next(record.n) == nil then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(record))
  end
end
local v = redis.call('HINCRBY', KEYS[1], '#v', 1)
redis.pcall('SPUBLISH', KEYS[2], 'P ' .. v .. ' ' .. table.concat(ARGV, ' '))
return v
