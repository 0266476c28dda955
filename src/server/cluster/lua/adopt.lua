-- Takes over the sessions of a dead node, as lost ones. KEYS: people. ARGV: dead incarnation, own incarnation, when those end that had a line
local all, taken = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local record = cjson.decode(all[i + 1])
  local part = record.n[ARGV[1]]
  if part then
    local before = sign(record)
    local mine = record.n[ARGV[2]] or {z = 0, s = {}}
    record.n[ARGV[1]] = nil
    for session, ends in pairs(part.s) do
      if not owner(record, session) then
        if ends == 0 then ends = tonumber(ARGV[3]) end
        mine.s[session] = ends
        taken[#taken + 1] = {all[i], record.t or 'user', record.c or '', session, string.format('%.0f', ends), string.format('%.0f', record.a or 0)}
      end
    end
    if part.z == 1 then mine.z = 1 end
    record.n[ARGV[2]] = mine
    write(KEYS[1], all[i], record, before)
  end
end
return taken
