-- Takes a silent node out, for one survivor to clear up after; again for another one if that survivor does not go on.
-- KEYS: nodes, dead nodes. ARGV: incarnation, lease in ms. Returns the last sign of life and how it came to be dead: 'silent', 'left' (it said
-- goodbye, or whoever cleared up after it did), 'dropped' (whoever cleared up after it is silent); or nothing.
-- A dead node: '<last sign> <when somebody last took care; 0 = it is left to anybody>'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local at, how = redis.call('ZSCORE', KEYS[1], ARGV[1]), 'silent'
if at then
  if now - at <= tonumber(ARGV[2]) then return {} end
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  local dead = redis.call('HGET', KEYS[2], ARGV[1])
  if not dead then return {} end
  local sign, care = string.match(dead, '(%d+) (%d+)')
  if now - tonumber(care) <= tonumber(ARGV[2]) then return {} end
  at, how = sign, care == '0' and 'left' or 'dropped'
end
at = string.format('%.0f', tonumber(at))
redis.call('HSET', KEYS[2], ARGV[1], at .. ' ' .. string.format('%.0f', now))
return {at, how}
