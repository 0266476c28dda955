-- A node is dead (its live people have this state from now on), or takes itself or is taken out of a room ('' = no state).
-- KEYS: members, channel. ARGV: incarnation, state. Returns the nodes that are left
local out = ARGV[2] == ''
redis.call('HDEL', KEYS[1], '#' .. ARGV[1])
local all, nodes = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local name = all[i]
  if string.sub(name, 1, 1) == '#' then
    if name ~= '#v' and name ~= '#' .. ARGV[1] then nodes[#nodes + 1] = string.sub(name, 2) end
  else
    local record = cjson.decode(all[i + 1])
    local state = record.n[ARGV[1]]
    if state ~= nil and (out or state == '1') then
      record.n[ARGV[1]] = not out and ARGV[2] or nil
      if next(record.n) == nil then
        redis.call('HDEL', KEYS[1], name)
      else
        redis.call('HSET', KEYS[1], name, cjson.encode(record))
      end
    end
  end
end
if #nodes == 0 and out and redis.call('HLEN', KEYS[1]) <= 1 then
  redis.call('DEL', KEYS[1])
  return nodes
end
local v = redis.call('HINCRBY', KEYS[1], '#v', 1)
redis.pcall('SPUBLISH', KEYS[2], 'N ' .. v .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
return nodes
