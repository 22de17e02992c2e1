-- Whether a job is ready to be handed out, and if not, in how many ms that may change by time alone (-1: never). Own arguments:
-- the rate (jobs, ms; 0 0 for none), types; none means any.
advance()
if call('EXISTS', prefix .. 'incoming') == 1 then
  return { 1, 0, {} } -- what has come in may be jobs
end
local types = {}
for index = OWN + 2, #ARGV do
  types[#types + 1] = ARGV[index]
end
if #types == 0 then
  types = call('HKEYS', prefix .. 'types')
end
local window = tonumber(ARGV[OWN + 1])
if window > 0 and rate.allowed(tonumber(ARGV[OWN]), window) == 0 then
  return { 0, rate.opens_in(window), {} } -- whatever comes until then
end
for _, type in ipairs(types) do
  if has_ready(type) and not is_paused(type) then
    return { 1, 0, types }
  end
end
local next
-- Where one job expires another may take its key.
local names = { 'due', 'lease', call('EXISTS', prefix .. 'next') == 1 and 'expiring' or nil }
for _, name in ipairs(names) do
  local first = call('ZRANGE', prefix .. name, 0, 0, 'WITHSCORES')[2]
  local at = first and tonumber(first) + (name == 'expiring' and 1 or 0)
  if at and at < NEVER and (not next or at < next) then
    next = at
  end
end
return { 0, next and math.max(next - now, 0) or -1, types }
