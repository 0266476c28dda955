-- Sets the explicit status of a person who is here. KEYS: people. ARGV: user, status ('' = none)
local record = read(KEYS[1], ARGV[1])
if next(record.n) == nil then return {} end
local before = sign(record)
record.c = ARGV[2] ~= '' and ARGV[2] or nil
return {string.format('%.0f', stamp), write(KEYS[1], ARGV[1], record, before)}
