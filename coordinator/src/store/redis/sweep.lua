-- ARGV: now, session. Holds each job of the session against the indexes and mends them; answers what it mended.
local now, session, mended = clock(), ARGV[2], {}
local function say(what) mended[#mended + 1] = what end

local function member(key, id, wanted, what)
  local there = redis.call('SISMEMBER', key, id) == 1
  if there == wanted then return end
  redis.call(wanted and 'SADD' or 'SREM', key, id)
  say(id .. ': ' .. (wanted and 'was not in ' or 'was in ') .. what)
end

local function scored(key, id, score, what)
  local there = redis.call('ZSCORE', key, id)
  if (there and true or false) == (score and true or false) then return end
  if score then redis.call('ZADD', key, score, id) else redis.call('ZREM', key, id) end
  say(id .. ': ' .. (score and 'was not in ' or 'was in ') .. what)
end

local status = redis.call('HGET', S(session), 'status')
member(UNDER_WAY, session, status and not over(status), 'what is under way')

local tenant
for _, id in ipairs(redis.call('ZRANGE', P .. 'sj:' .. enc(session), 0, -1)) do
  local j = job(id)
  if j then
    tenant = j.t
    local t, s = touch(j.t, j.s)
    t.force, s.force = true, true
    local leased, queued = j.st == 'l', j.st == 'q'
    member(RUNNING, id, leased, 'what runs')
    member(IN('t', j.t), id, leased, 'what runs of its tenant')
    member(IN('s', j.s), id, leased, 'what runs of its session')
    if j.e ~= '-' then member(IN('e', j.e), id, leased, 'what runs of its engine') end
    local provider = j.p or redis.call('HGET', LIMITS, 'p:' .. j.e)
    if provider then member(IN('p', provider), id, leased and j.p == provider, 'what runs of its provider') end
    if j.w then member(IN('w', j.w), id, leased, 'what runs of its worker') end
    scored(LEASES, id, leased and now + LEASE, 'the leases')
    scored(DEAD, id, j.st == 'x' and now, 'the dead')
    local waits = redis.call('ZSCORE', DUE, id)
    local class = R(j)
    if not queued or waits then scored(KEPT, id, false, 'what is kept for its home') end
    scored(Q(j.s, class), id, queued and not waits and j.n, 'the line')
    if not queued and waits then scored(DUE, id, false, 'what comes due') end
    if queued and not waits then
      redis.call('SADD', SE(j.s), class)
      s.has[class] = true
    end
  end
end
if not tenant then return mended end

-- Where the session stands in the line of its tenant, before and after.
local key = redis.call('HGET', S(session), 'key')
for _, e in ipairs(redis.call('SMEMBERS', SE(session))) do
  if redis.call('EXISTS', Q(session, e)) == 0 then
    redis.call('SREM', SE(session), e)
    sessions[session].has[e] = nil
    say(session .. ': stood in line with nothing to run')
  end
end
flush()
local after = redis.call('HGET', S(session), 'key')
if key ~= after then say(session .. ': stood at the wrong place of the line') end
return mended
