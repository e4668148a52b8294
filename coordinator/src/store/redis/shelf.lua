-- ARGV: now, how, shelf, and: 'keep': keys, each with its body; 'new': key, body; 'get': key; 'drop': key, and the only body
-- that is dropped; 'list': after, how many; 'last'
local how, keys, bodies = ARGV[2], P .. 'shelf:' .. enc(ARGV[3]), P .. 'shelved:' .. enc(ARGV[3])

local function with(names)
  local out = {}
  for _, key in ipairs(names) do
    out[#out + 1] = key
    out[#out + 1] = redis.call('HGET', bodies, key)
  end
  return out
end

local function told() news(ARGV[3] == 'drains' and 'd' or '') end

if how == 'keep' then
  local index = {}
  for n = 4, #ARGV, 2 do
    index[#index + 1] = 0
    index[#index + 1] = ARGV[n]
  end
  each('HSET', bodies, ARGV, 4)
  each('ZADD', keys, index, 1)
  told()
  return {}
elseif how == 'new' then
  -- The same once more is a call whose answer was lost.
  local there = redis.call('HGET', bodies, ARGV[4])
  if there and there ~= ARGV[5] then return {} end
  redis.call('HSET', bodies, ARGV[4], ARGV[5])
  redis.call('ZADD', keys, 0, ARGV[4])
  told()
  return { ARGV[4] }
elseif how == 'drop' then
  if ARGV[5] and redis.call('HGET', bodies, ARGV[4]) ~= ARGV[5] then return {} end
  if redis.call('HDEL', bodies, ARGV[4]) == 0 then return {} end
  redis.call('ZREM', keys, ARGV[4])
  told()
  return { ARGV[4] }
elseif how == 'get' then
  if redis.call('HEXISTS', bodies, ARGV[4]) == 0 then return {} end
  return with({ ARGV[4] })
elseif how == 'list' then
  local from = ARGV[4] == '' and '-' or '(' .. ARGV[4]
  return with(redis.call('ZRANGEBYLEX', keys, from, '+', 'LIMIT', 0, ARGV[5]))
else
  return with(redis.call('ZREVRANGE', keys, 0, 0))
end
