-- Finds who carries a message to a person; without a live session it is kept. KEYS: people, kept messages. ARGV: user, message, most that are kept, ms until they are dropped
local record = read(KEYS[1], ARGV[1])
if next(record.n) == nil then return {} end
local nodes, live = {}, 0
for node, part in pairs(record.n) do
  local count = 0
  for _, ends in pairs(part.s) do
    if ends == 0 then count = count + 1 end
  end
  if count > 0 then
    nodes[#nodes + 1] = node
    live = live + count
  end
end
if live == 0 then
  redis.call('RPUSH', KEYS[2], ARGV[2])
  redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return {live, nodes}
