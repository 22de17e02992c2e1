-- Accepts jobs. Own arguments: cursor (or ''), whether it was set (1 or 0), where it stood, where it goes to; how many jobs; the jobs.
if answered then
  return { 'accepted', answered }
end
local cursor = ARGV[OWN]
if cursor ~= '' then
  local at = call('HGET', prefix .. 'cursor', cursor)
  local from = ARGV[OWN + 1] == '1' and ARGV[OWN + 2] or false
  if at ~= from then
    return { 'moved', at }
  end
  call('HSET', prefix .. 'cursor', cursor, ARGV[OWN + 3])
end
local answers = intake.accept(OWN + 5, tonumber(ARGV[OWN + 4]))
write_down()
answer(answers)
return { 'accepted', answers }
