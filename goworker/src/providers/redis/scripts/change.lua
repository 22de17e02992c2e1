-- What people want of jobs. Own arguments: cancel, retry or delete; ids. Answers for each: changed,
-- requested, absent, held and who holds its key, or its state.
if answered then
  return cmsgpack.unpack(answered)
end
advance()
local wish, answers, changed, unlisted = ARGV[OWN], {}, false, {}

-- Takes a job that has ended out of the place where it is listed.
local function unlist(job, state)
  if state == 'dead' then
    call('ZREM', prefix .. 'dead', jobs.member_of(job))
    count('dead', job.type, -1)
  else
    unlisted[job.id] = job
    count(state, job.type, -1)
  end
end

local wishes = {}

function wishes.cancel(job, state)
  if moving.is_moving(job.id) then
    ask(job.id) -- whoever moves it is told
    return 'requested'
  elseif state == 'scheduled' or state == 'ready' then
    jobs.leave_waiting(job, state)
    jobs.end_as(job, 'cancelled')
    return 'changed'
  elseif state == 'running' then
    ask(job.id)
    return 'requested'
  end
  return state
end

function wishes.retry(job, state)
  if state == 'scheduled' or state == 'ready' or state == 'running' then
    return state
  end
  local window, key = unique.key_of(job.id)
  local holder = key and unique.holder_of(key, job)
  if holder then
    return 'held ' .. holder.id
  end
  if key then
    unique.hold(key, job, window)
  end
  unlist(job, state)
  call('HDEL', prefix .. 'output', job.id)
  call('HDEL', prefix .. 'failure', job.id)
  local past = job.past
  past.earlier, past.crashes, past.lifted, past.state, past.at = past.attempts, 0, true, nil, nil
  past.score, past.ticket = now - job.priority * STEP, jobs.next_ticket()
  jobs.remember(job)
  jobs.put_ready(job)
  return 'changed'
end

function wishes.delete(job, state)
  if state == 'running' or moving.is_moving(job.id) then
    return state
  elseif state == 'scheduled' or state == 'ready' then
    jobs.leave_waiting(job, state)
  else
    unlist(job, state)
  end
  unique.delete_key(job)
  forget({ job.id })
  return 'changed'
end

for index = OWN + 1, #ARGV do
  local job = jobs.load(ARGV[index])
  local became = job and not job.has_moved and wishes[wish](job, find.state_of(job)) or 'absent'
  answers[#answers + 1] = became
  changed = changed or became == 'changed' or became == 'requested'
end

write_down()
if next(unlisted) then
  -- What has ended is listed in groups: one pass over them, however many jobs are meant.
  local emptied = {}
  find.each_ended(function(entry, position)
    local types, ids, going = {}, {}, false
    local index = 0
    for pair = 1, #entry[3], 2 do
      local left = 0
      for _ = 1, entry[3][pair + 1] do
        index = index + 1
        local id = entry[4][index]
        if unlisted[id] then
          going = true
          unlisted[id] = nil
          call('HINCRBY', prefix .. 'counts', 'ended', -1)
        else
          left = left + 1
          ids[#ids + 1] = id
        end
      end
      if left > 0 then
        types[#types + 1], types[#types + 2] = entry[3][pair], left
      end
    end
    if going then
      call('LSET', prefix .. 'ended', position, #ids > 0 and cmsgpack.pack({ entry[1], entry[2], types, cmsgpack.pack(ids) }) or '')
      drop_ids(entry.text)
      emptied[1] = emptied[1] or #ids == 0
    end
    return not next(unlisted)
  end)
  if emptied[1] then
    call('LREM', prefix .. 'ended', 0, '')
  end
end
if changed then
  answer(cmsgpack.pack(answers))
end
return answers
