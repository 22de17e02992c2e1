-- A process tells that it is there. Own arguments: owner; what it tells of itself, as JSON; for how long (ms) one that is silent stays listed.
-- As long as it has nothing new to tell, an instant is all that is written.
local owner, told, since = ARGV[OWN], ARGV[OWN + 1], int(now)
local known = call('HGET', prefix .. 'processes', owner)
if known then
  since, known = string.match(known, '^(%d+) (.*)$')
end
if known ~= told then
  call('HSET', prefix .. 'processes', owner, since .. ' ' .. told)
end
call('ZADD', prefix .. 'seen', int(now), owner)
for _, silent in ipairs(call('ZRANGEBYSCORE', prefix .. 'seen', '-inf', '(' .. int(now - ARGV[OWN + 2]), 'LIMIT', 0, 100)) do
  call('ZREM', prefix .. 'seen', silent)
  call('HDEL', prefix .. 'processes', silent)
end
return 0
