-- Keeps a consumer among those of a subscription, and spreads the partitions evenly. It writes only what changes.
-- KEYS: the subscription, its consumers. ARGV: the consumer, how long it may be silent in ms, the number of partitions.
-- Returns the consumer's partitions: number, epoch, and whether to release it, for each.
local function before(a, b)
  local am, an = string.match(a, '^(%d+)-(%d+)$')
  local bm, bn = string.match(b, '^(%d+)-(%d+)$')
  return tonumber(am) < tonumber(bm) or am == bm and tonumber(an) < tonumber(bn)
end
local group, members, me = KEYS[1], KEYS[2], ARGV[1]
local silence, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ = redis.call('ZSCORE', members, me)
if not until_ or tonumber(until_) - now < silence * 2 / 3 then
  redis.call('ZADD', members, string.format('%.0f', now + silence), me)
end
if redis.call('ZCOUNT', members, '-inf', now) > 0 then
  redis.call('ZREMRANGEBYSCORE', members, '-inf', now)
end
local alive, has, all = {}, {}, redis.call('ZRANGE', members, 0, -1)
for _, id in ipairs(all) do
  alive[id], has[id] = true, 0
end
local fields = {}
for p = 0, count - 1 do
  fields[#fields + 1] = 'owner' .. p
  fields[#fields + 1] = 'release' .. p
end
local found, owner, leaving = redis.call('HMGET', group, unpack(fields)), {}, {}
for p = 0, count - 1 do
  local id = found[2 * p + 1]
  if id and alive[id] then
    owner[p], leaving[p] = id, found[2 * p + 2]
    if not leaving[p] then has[id] = has[id] + 1 end
  end
end
local least, spare, more = math.floor(count / #all), count % #all, 0
for _, id in ipairs(all) do
  if has[id] > least then more = more + 1 end
end
for p = 0, count - 1 do
  if not owner[p] and (has[me] < least or has[me] == least and more < spare) then
    if has[me] == least then more = more + 1 end
    has[me] = has[me] + 1
    owner[p] = me
    redis.call('HINCRBY', group, 'epoch' .. p, 1)
    local former, with = redis.call('HMGET', group, 'settled' .. p, 'delivered' .. p, 'former' .. p), ''
    for id in string.gmatch((former[3] or '') .. (former[2] or ''), '%S+') do
      if before(former[1], id) then with = with .. id .. ' ' end -- what former owners had comes again
    end
    redis.call('HSET', group, 'former' .. p, with)
    redis.call('HDEL', group, 'release' .. p, 'flush' .. p, 'held' .. p, 'delivered' .. p)
    redis.call('HSET', group, 'owner' .. p, me)
  end
end
for p = count - 1, 0, -1 do
  if owner[p] == me and not leaving[p] and (has[me] > least + 1 or has[me] == least + 1 and more > spare) then
    if has[me] == least + 1 then more = more - 1 end
    has[me] = has[me] - 1
    leaving[p] = '1'
    redis.call('HSET', group, 'release' .. p, 1)
  end
end
local mine = {}
for p = 0, count - 1 do
  if owner[p] == me then
    mine[#mine + 1] = p
    mine[#mine + 1] = tonumber(redis.call('HGET', group, 'epoch' .. p))
    mine[#mine + 1] = leaving[p] and 1 or 0
  end
end
return mine
