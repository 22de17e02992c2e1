-- The processes that have announced themselves. Answers the time, and for each: owner, when it began, when it was seen, what it told.
local found, seen = {}, call('ZRANGE', prefix .. 'seen', 0, -1, 'WITHSCORES')
for index = 1, #seen, 2 do
  local since, told = string.match(call('HGET', prefix .. 'processes', seen[index]) or '', '^(%d+) (.*)$')
  if since then
    found[#found + 1] = { seen[index], since, int(tonumber(seen[index + 1])), told }
  end
end
return { int(now), found }
