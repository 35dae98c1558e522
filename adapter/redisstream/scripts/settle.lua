-- Settles, for partitions that are still the consumer's. KEYS: the subscription. ARGV: the consumer, and for each partition: number,
-- epoch, number of the flush, what all before is settled, how many are settled by it, what was delivered last or nothing, how many
-- are held, the number of ids settled behind, these, the number of ids no longer behind, these. A flush that comes again changes
-- nothing. Returns the partitions that are somebody else's.
local group, lost, at = KEYS[1], {}, 2
while at <= #ARGV do
  local p, epoch, flush, settled = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local count, delivered, held = tonumber(ARGV[at + 4]), ARGV[at + 5], ARGV[at + 6]
  local found = redis.call('HMGET', group, 'owner' .. p, 'epoch' .. p, 'flush' .. p)
  local own = found[1] == ARGV[1] and found[2] == epoch
  local apply = own and flush > tonumber(found[3] or 0)
  if not own then lost[#lost + 1] = tonumber(p) end
  at = at + 7
  if apply then
    redis.call('HSET', group, 'settled' .. p, settled, 'flush' .. p, flush, 'held' .. p, held)
    if delivered ~= '' then redis.call('HSET', group, 'delivered' .. p, delivered) end
    if count > 0 then
      redis.call('HINCRBY', group, 'count' .. p, count)
      redis.call('HINCRBY', group, 'count', count)
    end
  end
  for _, command in ipairs({ 'SADD', 'SREM' }) do
    local ids = tonumber(ARGV[at])
    for i = at + 1, at + ids do
      if apply then redis.call(command, group .. ':' .. p, ARGV[i]) end
    end
    at = at + 1 + ids
  end
end
return lost
