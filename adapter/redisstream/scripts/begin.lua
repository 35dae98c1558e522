-- Tells a partition's new owner where to begin. KEYS: the subscription, what is settled out of turn.
-- ARGV: the consumer, the partition, the epoch. Returns what all before is settled, what former owners had, and what is settled behind.
local p = ARGV[2]
local found = redis.call('HMGET', KEYS[1], 'owner' .. p, 'epoch' .. p, 'settled' .. p, 'former' .. p)
if found[1] ~= ARGV[1] or found[2] ~= ARGV[3] then
  return false
end
return { found[3], found[4] or '', redis.call('SMEMBERS', KEYS[2]) }
