-- args: now, how, shelf, and: 'keep': keys, each with its body; 'new': key, body; 'get': key; 'drop': key, and the only body
-- that is dropped; 'list': after, how many; 'last'
local function shelf(args)
  local how, keys, bodies = args[2], P .. 'shelf:' .. enc(args[3]), P .. 'shelved:' .. enc(args[3])

  local function with(names)
    local out = {}
    for _, key in ipairs(names) do
      out[#out + 1] = key
      out[#out + 1] = call('HGET', bodies, key)
    end
    return out
  end

  local function told()
    if args[3] == 'drains' then news('d') end
  end

  if how == 'keep' then
    local index = {}
    for n = 4, #args, 2 do
      index[#index + 1] = 0
      index[#index + 1] = args[n]
    end
    each('HSET', bodies, args, 4)
    each('ZADD', keys, index, 1)
    told()
    return {}
  elseif how == 'new' then
    -- The same once more is a call whose answer was lost.
    local there = call('HGET', bodies, args[4])
    if there and there ~= args[5] then return {} end
    call('HSET', bodies, args[4], args[5])
    call('ZADD', keys, 0, args[4])
    told()
    return { args[4] }
  elseif how == 'drop' then
    if args[5] and call('HGET', bodies, args[4]) ~= args[5] then return {} end
    if call('HDEL', bodies, args[4]) == 0 then return {} end
    call('ZREM', keys, args[4])
    told()
    return { args[4] }
  elseif how == 'get' then
    if call('HEXISTS', bodies, args[4]) == 0 then return {} end
    return with({ args[4] })
  elseif how == 'list' then
    local from = args[4] == '' and '-' or '(' .. args[4]
    return with(call('ZRANGEBYLEX', keys, from, '+', 'LIMIT', 0, args[5]))
  else
    return with(call('ZREVRANGE', keys, 0, 0))
  end
end
