-- Keeps or forgets a note, if the claim is held still, and tells whoever follows the family (its hash is the channel, too). KEYS: hash of the family, claim. ARGV: holder ("" = no claim), key, "1" = keep, note
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], ARGV[2], ARGV[4]) else redis.call('HDEL', KEYS[1], ARGV[2]) end
redis.pcall('SPUBLISH', KEYS[1], ARGV[2] .. ' ' .. ARGV[3] .. ARGV[4])
return 1
