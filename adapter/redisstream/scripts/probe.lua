-- Tells how a subscription fares. KEYS: the topic, the subscription. ARGV: the number of partitions.
-- Returns how many are not settled, how many of them are held, and the age of the oldest in ms.
local total, held, oldest = 0, 0, -1
local time = redis.call('TIME')
for p = 0, tonumber(ARGV[1]) - 1 do
  local stream = KEYS[1] .. ':' .. p
  local found = redis.call('HMGET', KEYS[2], 'settled' .. p, 'count' .. p, 'held' .. p)
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then total = total + info[i + 1] - tonumber(found[2]) end
  end
  held = held + tonumber(found[3] or 0)
  local first = redis.call('XRANGE', stream, '(' .. found[1], '+', 'COUNT', 1)[1]
  if first then
    oldest = math.max(oldest, time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(string.match(first[1], '^%d+')))
  end
end
return { total, held, oldest }
