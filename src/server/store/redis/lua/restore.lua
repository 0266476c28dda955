-- Gives a store that lost a room, or its newest commits, what a replica still has, under the original commit ids.
-- KEYS: head hash, log stream, snapshot. ARGV: rev and id of the replica's head, snapshot at that head, for how long a room that was lost
-- takes no commits, in ms, because another replica may have newer ones; then per entry: from rev, previous id, rev, id, record
local head = redis.call('HMGET', KEYS[1], 'v', 't')
local function add(i, publish)
  redis.call('XADD', KEYS[2], ARGV[i + 2] .. '-0', 'p', ARGV[i + 1], 'f', ARGV[i], 't', ARGV[i + 3], 'd', ARGV[i + 4])
  if publish then
    redis.pcall('SPUBLISH', KEYS[2], ARGV[i] .. '.' .. ARGV[i + 1] .. ' ' .. ARGV[i + 2] .. '.' .. ARGV[i + 3] .. '\n' .. ARGV[i + 4])
  end
end
if not head[1] then
  redis.call('DEL', KEYS[2])
  for i = 5, #ARGV, 5 do add(i, false) end
  redis.call('SET', KEYS[3], ARGV[3])
  local t = redis.call('TIME')
  local open = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[4])
  redis.call('HSET', KEYS[1], 'v', ARGV[1], 't', ARGV[2], 'g', string.format('%.0f', open))
  redis.pcall('SPUBLISH', KEYS[2], 'L')
  return {'SEEDED'}
end
if head[1] == ARGV[1] and head[2] == ARGV[2] then return {'SAME'} end
for i = 5, #ARGV, 5 do
  if ARGV[i] == head[1] and ARGV[i + 1] == head[2] then
    for j = i, #ARGV, 5 do add(j, true) end
    redis.call('HSET', KEYS[1], 'v', ARGV[1], 't', ARGV[2])
    return {'APPENDED'}
  end
end
return {'MISMATCH', head[1], head[2], redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', 512)}
