-- How attempts end that were not done: each takes the job, or nothing if the settlement is refused, and where its own arguments begin; and answers
-- where they end.

-- Charges an attempt that did not succeed.
local function charge(job, attempt)
  if attempt ~= '' then
    call('RPUSH', prefix .. 'attempts:' .. job.id, attempt)
    job.past.attempts = job.past.attempts + 1
  end
end

local function schedule_again(job, due)
  if is_asked(job.id) then
    return jobs.end_as(job, 'cancelled')
  end
  job.past.score, job.past.ticket = due - job.priority * STEP, jobs.next_ticket()
  jobs.remember(job)
  if due > now then
    jobs.put_due(job, due)
  else
    jobs.put_ready(job)
  end
end

function endings.retry(job, at)
  if job then
    if ARGV[at + 1] == '1' then
      charge(job, ARGV[at + 2])
    end
    schedule_again(job, now + tonumber(ARGV[at]))
  end
  return at + 3
end

function endings.dead(job, at)
  local handlers = tonumber(ARGV[at + 2])
  if job then
    charge(job, ARGV[at + 1])
    jobs.die(job, ARGV[at])
    if handlers > 0 then
      intake.accept(at + 3, handlers)
    end
  end
  return at + 3 + 4 * handlers
end

function endings.cancelled(job, at)
  if job then
    jobs.end_as(job, 'cancelled')
  end
  return at
end

function endings.release(job, at)
  if job then
    jobs.put_back(job)
  end
  return at
end
