-- Trims what every subscription has settled, and what is older than the retention unless it is with a consumer. KEYS: the topic.
-- ARGV: partitions. It moves the consumer groups of the streams along, for whoever looks at them.
local function parse(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end
local function before(a, b)
  local am, an = parse(a)
  local bm, bn = parse(b)
  return am < bm or am == bm and an < bn
end
local topic, groups = KEYS[1], {}
local facts, retention = redis.call('HGETALL', topic), 0
for i = 1, #facts, 2 do
  if facts[i] == 'retention' then retention = tonumber(facts[i + 1]) end
  if string.sub(facts[i], 1, 13) == 'subscription:' then groups[#groups + 1] = string.sub(facts[i], 14) end
end
local time = redis.call('TIME')
local old = string.format('%.0f-0', time[1] * 1000 - retention)
local trimmed = 0
for _, p in ipairs(ARGV) do
  local stream, from, positions = topic .. ':' .. p, nil, {}
  for _, name in ipairs(groups) do
    local group = topic .. ':' .. name
    local found = redis.call('HMGET', group, 'settled' .. p, 'delivered' .. p, 'former' .. p, 'count' .. p, 'shown' .. p)
    local keep = found[1]
    local with = found[2] and before(keep, found[2])
    for id in string.gmatch(found[3] or '', '%S+') do
      with = with or before(keep, id)
    end
    if not with and before(keep, old) then keep = old end
    positions[name] = { found[1], found[4] }
    if not from or before(keep, from) then from = keep end
    if found[5] ~= found[1] then
      redis.pcall('XGROUP', 'SETID', stream, name, found[1], 'ENTRIESREAD', found[4])
      redis.call('HSET', group, 'shown' .. p, found[1])
    end
  end
  from = from or old
  local ms, number = parse(from)
  if redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f-%.0f', ms, number + 1)) > 0 then
    trimmed = trimmed + 1
    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    local info, added, last = redis.call('XINFO', 'STREAM', stream), 0, nil
    for i = 1, #info, 2 do
      if info[i] == 'entries-added' then added = info[i + 1] end
      if info[i] == 'last-generated-id' then last = info[i + 1] end
    end
    for _, name in ipairs(groups) do
      if before(positions[name][1], from) then -- it lost some by their age: all that is left is what is there
        local group = topic .. ':' .. name
        local left = redis.call('XLEN', stream)
        local settled = last
        if first then
          local fm, fn = parse(first[1])
          settled = fn > 0 and string.format('%.0f-%.0f', fm, fn - 1) or string.format('%.0f-%.0f', fm - 1, 2 ^ 52)
          for _, id in ipairs(redis.call('SMEMBERS', group .. ':' .. p)) do
            if before(id, first[1]) then redis.call('SREM', group .. ':' .. p, id) else left = left - 1 end
          end
        end
        if before(positions[name][1], settled) then
          redis.call('HSET', group, 'settled' .. p, settled, 'count' .. p, added - left)
          redis.call('HINCRBY', group, 'count', added - left - tonumber(positions[name][2]))
        end
      end
    end
  end
end
return trimmed
