-- Appends one commit if the room's head is the expected position; without a new position it only confirms the head.
-- KEYS: head hash, log stream, snapshot, hash of who has still to read the log from which rev on.
-- ARGV: expected rev, expected id, new rev ('' = confirm), new id, record, snapshot ('' = none), the revs to keep in any case,
-- most revs to keep, time of the commit in ms, for how long the log is kept if it is not too much (hub/chain.rs says the same)
local head = redis.call('HMGET', KEYS[1], 'v', 't', 'g')
if not head[1] then return {'GONE'} end
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] then
  return {'MISMATCH', head[1], head[2], redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', 512)}
end
if ARGV[3] == '' then return {'OK'} end
if head[3] then
  -- It was lost and given back: until then somebody may give back newer commits.
  local t = redis.call('TIME')
  if t[1] * 1000 + math.floor(t[2] / 1000) < tonumber(head[3]) then return {'SOON'} end
  redis.call('HDEL', KEYS[1], 'g')
end
redis.call('XADD', KEYS[2], ARGV[3] .. '-0', 'p', ARGV[2], 'f', ARGV[1], 't', ARGV[4], 'd', ARGV[5])
redis.call('HSET', KEYS[1], 'v', ARGV[3], 't', ARGV[4])
if ARGV[6] ~= '' then
  redis.call('SET', KEYS[3], ARGV[6])
  local rev, at = tonumber(ARGV[3]), tonumber(ARGV[9])
  local low, floor, marks = 0, rev - tonumber(ARGV[8]), {}
  for earlier, time in string.gmatch(redis.call('HGET', KEYS[1], 'k') or '', '(%d+):(%d+)') do
    if tonumber(earlier) < rev then
      if at - tonumber(time) >= tonumber(ARGV[10]) then low, marks = tonumber(earlier), {} end
      if tonumber(earlier) >= floor then marks[#marks + 1] = earlier .. ':' .. time end
    end
  end
  marks[#marks + 1] = ARGV[3] .. ':' .. ARGV[9]
  redis.call('HSET', KEYS[1], 'k', table.concat(marks, ' '))
  for _, reader in ipairs(redis.call('HVALS', KEYS[4])) do low = math.min(low, tonumber(reader) or low) end
  low = math.max(0, math.min(rev - tonumber(ARGV[7]), math.max(low, floor)))
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', low))
end
redis.pcall('SPUBLISH', KEYS[2], ARGV[1] .. '.' .. ARGV[2] .. ' ' .. ARGV[3] .. '.' .. ARGV[4] .. '\n' .. ARGV[5])
return {'OK'}
