-- Makes a topic and subscriptions. KEYS: the topic. ARGV: partitions, limit, retention in ms, subscriptions.
local topic = KEYS[1]
local known = redis.call('HGET', topic, 'partitions')
if known and known ~= ARGV[1] then
  return tonumber(known)
end
redis.call('HSET', topic, 'partitions', ARGV[1])
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', topic, 'limit', ARGV[2])
end
if tonumber(ARGV[3]) > tonumber(redis.call('HGET', topic, 'retention') or 0) then
  redis.call('HSET', topic, 'retention', ARGV[3])
end
local count = tonumber(ARGV[1])
local last, added = {}, {}
for p = 0, count - 1 do
  local stream = topic .. ':' .. p
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, 'none', '$', 'MKSTREAM')
    redis.call('XGROUP', 'DESTROY', stream, 'none')
  end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last[p] = info[i + 1] end
    if info[i] == 'entries-added' then added[p] = info[i + 1] end
  end
end
for i = 4, #ARGV do
  local group = topic .. ':' .. ARGV[i]
  if redis.call('HEXISTS', topic, 'subscription:' .. ARGV[i]) == 0 then
    local total = 0
    for p = 0, count - 1 do
      redis.pcall('XGROUP', 'CREATE', topic .. ':' .. p, ARGV[i], last[p], 'ENTRIESREAD', added[p])
      redis.call('HSET', group, 'settled' .. p, last[p], 'count' .. p, added[p])
      total = total + added[p]
    end
    redis.call('HSET', group, 'count', total)
    redis.call('HSET', topic, 'subscription:' .. ARGV[i], 1)
  end
end
return count
