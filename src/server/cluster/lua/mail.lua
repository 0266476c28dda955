-- Finds who carries a message to a person: a node and its live sessions, in turn. Without one it is kept. Nothing at all: he is not here.
-- KEYS: people, kept messages. ARGV: user, message, most that are kept, ms until they are dropped; further: nodes that do not listen
local record = read(KEYS[1], ARGV[1])
if next(record.n) == nil then return false end
local deaf, found = {}, {}
for i = 5, #ARGV do deaf[ARGV[i]] = true end
for node, part in pairs(record.n) do
  local live = 0
  for _, ends in pairs(part.s) do
    if ends == 0 then live = live + 1 end
  end
  if live > 0 and not deaf[node] then
    found[#found + 1] = node
    found[#found + 1] = live
  end
end
if #found == 0 then
  redis.call('RPUSH', KEYS[2], ARGV[2])
  redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return found
