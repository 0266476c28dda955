-- Slow mode: notes that people say something now, if their last word is long enough ago. KEYS: people by the time of their last word.
-- ARGV: now, ms between two words, users. Returns for each '' or when his last word was
local now, every, out = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - every))
for i = 3, #ARGV do
  local last = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not last then redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i]) end
  out[#out + 1] = last or ''
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return out
