-- Opens or resumes a session. KEYS: people, kept messages, watches.
-- ARGV: user, type, session to resume ('' = none), fresh session, incarnation, now, most live sessions (0 = any), 1 = it polls, 2 = it polls and wants a session of its own, most lost sessions
local record = read(KEYS[1], ARGV[1])
local before = sign(record)
local session, from = ARGV[3], nil
if session ~= '' then from = owner(record, session) end
if not from and ARGV[8] == '1' then
  -- Somebody who polls without a token goes on with his session that polls.
  for node, part in pairs(record.n) do
    for known in pairs(part.p or {}) do
      if part.s[known] == 0 and (not from or known < session) then from, session = node, known end
    end
  end
end
local live, lost = 0, {}
for node, part in pairs(record.n) do
  for known, ends in pairs(part.s) do
    if ends == 0 then live = live + 1 else lost[#lost + 1] = {ends, known, node} end
  end
end
if not from and tonumber(ARGV[7]) > 0 and live >= tonumber(ARGV[7]) then return {'TOO_MANY'} end
local ended = {}
if from then
  record.n[from].s[session] = nil
  if record.n[from].p then record.n[from].p[session] = nil end
else
  session = ARGV[4]
  table.sort(lost, function(a, b) return a[1] < b[1] end)
  local keep = live == 0 and 0 or tonumber(ARGV[9])
  for i = 1, #lost - keep do
    record.n[lost[i][3]].s[lost[i][2]] = nil
    redis.call('HDEL', KEYS[3], lost[i][2])
    ended[#ended + 1] = lost[i][3]
    ended[#ended + 1] = lost[i][2]
  end
end
local mine = record.n[ARGV[5]] or {z = 0, s = {}}
mine.s[session] = 0
if ARGV[8] ~= '0' then
  mine.p = mine.p or {}
  mine.p[session] = 1
end
record.n[ARGV[5]] = mine
record.t = ARGV[2]
record.a = tonumber(ARGV[6])
local text = write(KEYS[1], ARGV[1], record, before)
local kept = redis.call('LRANGE', KEYS[2], 0, -1)
redis.call('DEL', KEYS[2])
return {'OPEN', session, from or '', ended, kept, redis.call('HGET', KEYS[3], session) or '', string.format('%.0f', stamp), text}
