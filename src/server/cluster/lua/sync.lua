-- A node says what it has of a person; what another node has is left alone, except that a line here beats a lost one there.
-- KEYS: people, watches, those who have left. ARGV: user, type, incarnation, last sign of life, choice ('' = none), 1 = seated here,
-- former names of this node with blanks between them, then per session: name, end (0 = live), 1 = it polls,
-- what goes with it ('' = as before, ';' = nothing)
local LEFT_MAX = 1024
local record = read(KEYS[1], ARGV[1])
local before = sign(record)
local fresh = next(record.n) == nil
local old = record.n[ARGV[3]] or {s = {}}
for name in string.gmatch(ARGV[7], '%S+') do record.n[name] = nil end
local mine, moved = {z = tonumber(ARGV[6]), s = {}}, {}
for i = 8, #ARGV, 4 do
  local session, ends = ARGV[i], tonumber(ARGV[i + 1])
  local other = owner(record, session)
  if other and other ~= ARGV[3] and not (ends == 0 and record.n[other].s[session] ~= 0) then
    moved[#moved + 1] = session
  else
    if other and other ~= ARGV[3] then record.n[other].s[session] = nil end
    mine.s[session] = ends
    if ARGV[i + 2] == '1' then
      mine.p = mine.p or {}
      mine.p[session] = 1
    end
    if ARGV[i + 3] == ';' then redis.call('HDEL', KEYS[2], session)
    elseif ARGV[i + 3] ~= '' then redis.call('HSET', KEYS[2], session, ARGV[i + 3]) end
  end
end
for session in pairs(old.s) do
  if mine.s[session] == nil then redis.call('HDEL', KEYS[2], session) end
end
record.n[ARGV[3]] = mine
if fresh and ARGV[5] ~= '' then record.c = ARGV[5] end
if ARGV[2] ~= '' then record.t = ARGV[2] end
record.a = math.max(record.a or 0, tonumber(ARGV[4]))
local text = write(KEYS[1], ARGV[1], record, before)
if next(record.n) == nil and record.a > 0 then
  -- When he was here last is asked for long after.
  redis.call('HSET', KEYS[3], ARGV[1], cjson.encode({t = record.t, a = record.a, n = {}}))
  if redis.call('HLEN', KEYS[3]) > LEFT_MAX then redis.call('HDEL', KEYS[3], redis.call('HRANDFIELD', KEYS[3])) end
end
return {moved, string.format('%.0f', stamp), text}
