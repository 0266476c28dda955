-- Appends messages, each under the next number, and removes what is too much or too old.
-- KEYS: stream, head hash. ARGV: how many to keep, older than this goes, ms until a silent stream goes, then id, time and record of each
local n = tonumber(redis.call('HGET', KEYS[2], 'n') or '0')
for i = 4, #ARGV, 3 do
  n = n + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], string.format('%.0f', n) .. '-0', 'i', ARGV[i], 'a', ARGV[i + 1], 'd', ARGV[i + 2])
end
redis.call('HSET', KEYS[2], 'n', string.format('%.0f', n), 'i', ARGV[#ARGV - 2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
-- More may go than come, so that nothing stays behind for ever; one by one, because each is read whole.
for _ = 1, (#ARGV - 3) / 3 + 7 do
  local old = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  if not old or tonumber(old[2][4]) >= tonumber(ARGV[2]) then break end
  redis.call('XDEL', KEYS[1], old[1])
end
return n
