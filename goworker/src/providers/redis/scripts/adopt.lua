-- Makes jobs of texts that others pushed to `incoming`. Own arguments: how many texts; the texts, which must be the first ones there; for each
-- why it is no job ('' if it is one); the jobs. One that is none becomes a dead letter, which holds the text.
-- Answers `adopted` and what became of them, `gone` if another process was faster, or `taken` and the positions of those whose ids others have.
if answered then
  return { 'adopted', answered }
end
local number = tonumber(ARGV[OWN])
local first = call('LRANGE', prefix .. 'incoming', 0, number - 1)
for n = 1, number do
  if first[n] ~= ARGV[OWN + n] then
    return { 'gone' }
  end
end
local from, ids, taken = OWN + 1 + 2 * number, {}, {}
for n = 1, number do
  ids[n] = ARGV[from + 4 * n - 4]
end
local known, seen = call('HMGET', prefix .. 'jobs', unpack(ids)), {}
for n, id in ipairs(ids) do
  local json = ARGV[from + 4 * n - 1]
  if known[n] and not intake.is_same(id, known[n], json) or seen[id] and seen[id] ~= json then
    taken[#taken + 1] = tostring(n - 1)
  end
  seen[id] = seen[id] or json
end
if #taken > 0 then
  return { 'taken', table.concat(taken, ' ') }
end
local answers = intake.accept(from, number)
for n, id in ipairs(ids) do
  local reason = ARGV[OWN + number + n]
  if reason ~= '' then
    local job = jobs.load(id)
    jobs.leave_waiting(job, 'ready')
    jobs.die(job, reason)
  end
end
call('LTRIM', prefix .. 'incoming', number, -1)
write_down()
answer(answers)
return { 'adopted', answers }
