-- Jobs as they are now. Own arguments: whether all attempts are wanted (1 or 0), ids. Answers for each that is there: record, past, state,
-- instant, output, failure, attempts (only the last one, if not all are wanted), progress, deaths (none, if not all are wanted), whose end it
-- waits for.
local all = ARGV[OWN] == '1'
local answers, undated = {}, {}

-- What was told in this run.
local function progress_of(id)
  local token, told = string.match(call('HGET', prefix .. 'progress', id) or '', '^(%d+) (.*)$')
  return token and token == find.running_in(id) and told
end

for index = OWN + 1, #ARGV do
  local id = ARGV[index]
  local job = jobs.load(id)
  if job and not job.has_moved then
    local state, at = find.state_of(job)
    local attempts = job.past.attempts > 0 and call('LRANGE', prefix .. 'attempts:' .. id, all and 0 or -1, -1) or {}
    local past = { job.past.attempts, job.past.earlier, job.past.crashes }
    local output, failure = call('HGET', prefix .. 'output', id), call('HGET', prefix .. 'failure', id)
    local progress = state == 'running' and progress_of(id) or ''
    local deaths = all and call('LRANGE', prefix .. 'died:' .. id, 0, -1) or {}
    local leader = state == 'scheduled' and at == NEVER and unique.leader_of(id) or ''
    answers[#answers + 1] = { job.record, past, state, at and int(at) or false, output or '', failure or '', attempts, progress, deaths, leader }
    if state == 'done' then
      undated[id] = answers[#answers]
    end
  end
end
if next(undated) then
  find.each_ended(function(entry)
    for _, id in ipairs(entry[4]) do
      if undated[id] then
        undated[id][4] = int(entry[2])
        undated[id] = nil
      end
    end
    return not next(undated)
  end)
end
return answers
