-- People whom a dead node had are not in a room any more, as far as that node is concerned. KEYS: members, channel. ARGV: incarnation, users
local said = {}
for i = 2, #ARGV do
  local raw = redis.call('HGET', KEYS[1], ARGV[i])
  local record = raw and cjson.decode(raw) or {n = {}}
  if record.n[ARGV[1]] ~= nil then
    record.n[ARGV[1]] = nil
    if next(record.n) == nil then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(record))
    end
    said[#said + 1] = ARGV[i] .. ' ' .. (record.t or 'user') .. ' '
  end
end
if #said == 0 then return 0 end
local v = redis.call('HINCRBY', KEYS[1], '#v', 1)
redis.pcall('SPUBLISH', KEYS[2], 'P ' .. v .. ' ' .. ARGV[1] .. ' ' .. table.concat(said, ' '))
return v
