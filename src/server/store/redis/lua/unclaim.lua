-- Lets go of a claim that is held still. KEYS: claim. ARGV: holder
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
