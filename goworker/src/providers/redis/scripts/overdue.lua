-- What is due: leases that end, jobs that become due or expire, dead letters that are old. Of each kind a share at once; each answers whether
-- there may be more.

local DEATHS = 20 -- how many deaths are kept of a job

function overdue.lose_leases()
  local moved = 0
  while moved < SHARE do
    local token = call('ZRANGEBYSCORE', prefix .. 'lease', '-inf', int(now), 'LIMIT', 0, 1)[1]
    if not token then
      return false
    end
    local batch = batch_of(token)
    if batch then
      each_open(batch, function(_, id)
        local job = jobs.load(id)
        if job then
          job.past.crashes = job.past.crashes + 1
          call('RPUSH', prefix .. 'died:' .. id, int(now) .. ' ' .. batch.owner)
          call('LTRIM', prefix .. 'died:' .. id, -DEATHS, -1)
          jobs.remember(job)
          jobs.put_back(job)
          moved = moved + 1
        end
      end)
      close_batch(batch)
    else
      call('ZREM', prefix .. 'lease', token)
    end
  end
  return true
end

function overdue.make_ready()
  local due = call('ZRANGEBYSCORE', prefix .. 'due', '-inf', int(now), 'LIMIT', 0, SHARE)
  for _, of in ipairs(due) do
    call('ZREM', prefix .. 'due', of)
    local job = jobs.load(jobs.id_in(of))
    if job then
      count(jobs.state_of_waiting(job), job.type, -1)
      jobs.put_ready(job)
    end
  end
  return #due == SHARE
end

function overdue.expire()
  local late = call('ZRANGEBYSCORE', prefix .. 'expiring', '-inf', '(' .. int(now), 'LIMIT', 0, SHARE)
  for _, id in ipairs(late) do
    local job = jobs.load(id)
    if job then
      jobs.leave_waiting(job, call('ZSCORE', prefix .. 'due', jobs.member_of(job)) and 'scheduled' or 'ready')
      jobs.end_as(job, 'expired')
    else
      call('ZREM', prefix .. 'expiring', id)
    end
  end
  return #late == SHARE
end

function overdue.forget_dead()
  local key = prefix .. 'dead'
  for _ = 1, SHARE do
    local oldest = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not oldest[1] or (call('ZCARD', key) <= keep.dead.count and now - tonumber(oldest[2]) <= keep.dead.age) then
      return false
    end
    call('ZREM', key, oldest[1])
    local job = jobs.load(jobs.id_in(oldest[1]))
    if job then
      count('dead', job.type, -1)
      forget({ job.id })
    end
  end
  return true
end
