-- Leaves a subscription. KEYS: the subscription, its consumers. ARGV: the consumer, the number of partitions.
redis.call('ZREM', KEYS[2], ARGV[1])
for p = 0, tonumber(ARGV[2]) - 1 do
  if redis.call('HGET', KEYS[1], 'owner' .. p) == ARGV[1] then
    redis.call('HDEL', KEYS[1], 'owner' .. p, 'release' .. p, 'held' .. p)
  end
end
return 0
