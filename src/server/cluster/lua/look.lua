-- Reads people; whoever has left is told as he was then. KEYS: people, those who have left. ARGV: users
local found, missing, places = redis.call('HMGET', KEYS[1], unpack(ARGV)), {}, {}
for i, user in ipairs(ARGV) do
  if not found[i] then
    missing[#missing + 1] = user
    places[#places + 1] = i
  end
end
if #missing > 0 then
  local left = redis.call('HMGET', KEYS[2], unpack(missing))
  for i, place in ipairs(places) do found[place] = left[i] end
end
return {string.format('%.0f', stamp), found}
