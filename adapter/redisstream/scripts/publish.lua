-- Publishes into a topic with a limit, as many as there is room for. KEYS: the topic.
-- ARGV: for each message the partition, the number of fields and values, fields and values. Returns how many were published.
local topic = KEYS[1]
local facts = redis.call('HGETALL', topic)
local limit, partitions, groups = nil, 0, {}
for i = 1, #facts, 2 do
  if facts[i] == 'limit' then limit = tonumber(facts[i + 1]) end
  if facts[i] == 'partitions' then partitions = tonumber(facts[i + 1]) end
  if string.sub(facts[i], 1, 13) == 'subscription:' then groups[#groups + 1] = string.sub(facts[i], 14) end
end
local room = math.huge
if limit then
  local added = 0
  for p = 0, partitions - 1 do
    local info = redis.call('XINFO', 'STREAM', topic .. ':' .. p)
    for i = 1, #info, 2 do
      if info[i] == 'entries-added' then added = added + info[i + 1] end
    end
  end
  for _, group in ipairs(groups) do
    room = math.min(room, limit - (added - tonumber(redis.call('HGET', topic .. ':' .. group, 'count'))))
  end
end
local published, at = 0, 1
while at <= #ARGV and published < room do
  local fields = tonumber(ARGV[at + 1])
  if not redis.call('XADD', topic .. ':' .. ARGV[at], 'NOMKSTREAM', '*', unpack(ARGV, at + 2, at + 1 + fields)) then
    return -1
  end
  at = at + 2 + fields
  published = published + 1
end
return published
