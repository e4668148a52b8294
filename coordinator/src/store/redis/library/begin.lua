-- args: now, the server's replication id, 'takes' or 'keeps', then names and values of the limits. Answers whether the cell had
-- other limits. Whoever starts sets its own; whoever only comes back keeps what another one set meanwhile.

-- Another id: a replica was promoted, or the server began anew; its latest writes may be lost, and its counters went back.
local function another_server(id, longest)
  call('HINCRBY', CELL, 'generation', 1)
  call('HSET', CELL, 'replid', id)
  -- Renewals may be among what was lost, and whoever was answered one runs on: every lease is whole again, and as long as
  -- the longest that any coordinator of this cell gave.
  local whole = clock() + longest
  for _, member in ipairs(call('ZRANGE', LEASES, 0, -1)) do call('ZADD', LEASES, 'XX', 'GT', whole, member) end
end

-- What is kept for its home is so for as long as is said now; what everybody may have stays theirs.
local function keep_anew()
  local all = call('ZRANGE', DUE, 0, -1, 'WITHSCORES')
  for n = 1, #all, 2 do
    local j = job(all[n])
    -- By that it stands later in `due` than it came due it is known as kept.
    if j and is_kept(j, all[n + 1]) then call('ZADD', DUE, math.max(kept_until(j), j.du + 1), j.id) end
  end
end

local function take_limits(args)
  -- As long as this is there, not all was done that follows from them.
  call('HSET', CELL, 'taking', '1')
  call('DEL', LIMITS)
  local limited = '0'
  for n = 4, #args, 2 do
    call('HSET', LIMITS, args[n], args[n + 1])
    if string.find(args[n], '^[ep]:') then limited = '1' end
  end
  call('HSET', CELL, 'limited', limited)
  for _, member in ipairs(call('ZRANGE', LEASES, 0, -1)) do
    local j = job(of_lease(member))
    if j and j.st == 'l' then count_anew(j) end
  end
  -- Whoever is at another limit now comes into the line, or leaves it.
  for _, tenant in ipairs(call('SMEMBERS', P .. 'tenants')) do
    local t = touch_tenant(tenant)
    local limit, weight = tenant_limit(tenant)
    put(t, 'limit', limit)
    put(t, 'weight', weight)
  end
  keep_anew()
  flush()
  call('HDEL', CELL, 'taking')
  news('w')
end

local function begin(args)
  -- Keys of another layout would be read for something that they are not.
  local layout = call('HMGET', CELL, 'layout', 'generation')
  if layout[2] and layout[1] ~= tostring(LAYOUT) then
    local which = (layout[1] or '1') .. ', not ' .. LAYOUT
    return redis.error_reply('LAYOUT the cell is laid out by another version of Arena (' .. which .. ')')
  end
  local longest = math.max(LEASE, tonumber(call('HGET', CELL, 'lease') or '0'))
  call('HSET', CELL, 'lease', longest, 'layout', LAYOUT)
  -- Another cell of this name, after this one or in another database, is not taken for it by what functions remember.
  local time = call('TIME')
  call('HSETNX', CELL, 'made', time[1] .. '.' .. time[2])
  if call('HGET', CELL, 'replid') ~= args[2] then another_server(args[2], longest) end
  local held = call('HLEN', LIMITS)
  local same = held == (#args - 3) / 2
  for n = 4, #args, 2 do same = same and call('HGET', LIMITS, args[n]) == args[n + 1] end
  if (not same and args[3] == 'takes') or held == 0 or call('HEXISTS', CELL, 'taking') == 1 then take_limits(args) end
  -- What every claim looks at, in one.
  local v = call('HMGET', CELL, 'generation', 'limited', 'made')
  call('HSET', CELL, 'rules', table.concat({ v[1], call('HGET', LIMITS, 'fleet'), v[2], v[3] }, '/'))
  return held > 0 and not same and 1 or 0
end
