-- Gives a partition up. KEYS: the subscription. ARGV: the consumer, the partition, the epoch.
local p = ARGV[2]
local found = redis.call('HMGET', KEYS[1], 'owner' .. p, 'epoch' .. p)
if found[1] == ARGV[1] and found[2] == ARGV[3] then
  redis.call('HDEL', KEYS[1], 'owner' .. p, 'release' .. p, 'held' .. p)
end
return 0
