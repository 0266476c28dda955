-- Shared by the scripts about people. A record: t type, c choice, a last sign of life, n incarnation -> {z seated, s session -> 0 live or when it ends}
local clock = redis.call('TIME')
local stamp = clock[1] * 1000000 + clock[2]
local function read(key, user)
  local raw = redis.call('HGET', key, user)
  return raw and cjson.decode(raw) or {n = {}}
end
local function shown(record)
  local here, seated = false, false
  for _, part in pairs(record.n) do
    here = true
    if part.z == 1 then seated = true end
  end
  if not here or record.c == 'offline' then return 'offline' end
  if seated then return 'busy' end
  return record.c or 'online'
end
local function sign(record)
  local nodes = {}
  for node, part in pairs(record.n) do nodes[#nodes + 1] = node .. (part.z == 1 and '+' or '') end
  table.sort(nodes)
  return shown(record) .. ' ' .. (record.t or '') .. ' ' .. (record.c or '') .. ' ' .. table.concat(nodes, ',')
end
local function owner(record, session)
  for node, part in pairs(record.n) do
    if part.s[session] ~= nil then return node end
  end
end
local function write(key, user, record, before)
  for node, part in pairs(record.n) do
    if next(part.s) == nil then record.n[node] = nil end
  end
  local text = cjson.encode(record)
  if next(record.n) == nil then redis.call('HDEL', key, user) else redis.call('HSET', key, user, text) end
  -- Nobody hears of somebody who is as little there as before: Redis may have lost him, and another node still have him.
  local absent = next(record.n) == nil and string.sub(before, -1) == ' '
  if sign(record) ~= before and not absent then
    redis.pcall('SPUBLISH', key, string.format('%.0f', stamp) .. ' ' .. user .. ' ' .. text)
  end
  return text
end
