-- Reads people. KEYS: people. ARGV: users
return {string.format('%.0f', stamp), redis.call('HMGET', KEYS[1], unpack(ARGV))}
