-- ARGV: now, job. Answers a word and what belongs to it.
local now, j = clock(), job(ARGV[2])
if not j then return { 'unknown' } end
if j.st == 'd' or j.st == 'c' then return { 'ended' } end
if j.st == 'x' then return { 'dead', j.f, j.d } end
if j.st == 'l' then
  local expires = tonumber(redis.call('ZSCORE', LEASES, j.id))
  if expires <= now then return { 'suspect', j.w, expires + KILL_MARGIN } end
  return { 'runs', j.w }
end
if j.du > now then return { 'not_due', j.du } end

local held = blocked(j)
if held then return { 'limit', held[1], held[2], held[3], held[4] } end
if now < kept_until(j) then return { 'kept', j.h, kept_until(j) } end
local ahead = 0
for _, e in ipairs(redis.call('SMEMBERS', SE(j.s))) do
  ahead = ahead + redis.call('ZCOUNT', Q(j.s, e), '-inf', '(' .. j.n)
end
-- What has come due and was not asked for since.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, MOST_DUE)) do
  local other = job(id)
  if other.s == j.s and other.n < j.n then ahead = ahead + 1 end
end
return { 'ready', ahead }
