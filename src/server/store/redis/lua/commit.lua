-- Appends one commit if the room's head is the expected position; without a new position it only confirms the head.
-- KEYS: head hash, log stream, snapshot, hash of who has still to read the log from which rev on.
-- ARGV: expected rev, expected id, new rev ('' = confirm), new id, record, snapshot ('' = none), lowest rev to keep, most revs to keep for readers
local head = redis.call('HMGET', KEYS[1], 'v', 't')
if not head[1] then return {'GONE'} end
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then
  return {'MISMATCH', head[1], head[2], redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', 512)}
end
if ARGV[3] == '' then return {'OK'} end
redis.call('XADD', KEYS[2], ARGV[3] .. '-0', 'p', ARGV[2], 'f', ARGV[1], 't', ARGV[4], 'd', ARGV[5])
redis.call('HSET', KEYS[1], 'v', ARGV[3], 't', ARGV[4])
if ARGV[6] ~= '' then
  redis.call('SET', KEYS[3], ARGV[6])
  local low = tonumber(ARGV[7])
  for _, rev in ipairs(redis.call('HVALS', KEYS[4])) do low = math.min(low, tonumber(rev) or low) end
  low = math.min(tonumber(ARGV[7]), math.max(low, tonumber(ARGV[3]) - tonumber(ARGV[8])))
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', low))
end
redis.pcall('SPUBLISH', KEYS[2], ARGV[1] .. '.' .. ARGV[2] .. ' ' .. ARGV[3] .. '.' .. ARGV[4] .. '\n' .. ARGV[5])
return {'OK'}
