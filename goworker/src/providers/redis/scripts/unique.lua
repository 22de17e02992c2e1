-- Who holds which key of unique jobs, and who follows. `unique` has `TICKET UNTIL ID` of the job that took a key last, or `TICKET
-- UNTIL,EARLIEST ID` if it took it while another one's window lasted, until EARLIEST; `keys` has `WINDOW KEY` of each unique job; `next` the id
-- of the job that waits for the end of the holder, which is due NEVER. Whether a job still holds a key follows from where it is: nothing is
-- done when a job ends that nobody follows, so no key can be left behind.

-- The window and the key of a job; nothing if it is not unique.
function unique.key_of(id)
  local text = call('HGET', prefix .. 'keys', id)
  if text then
    local window, key = string.match(text, '^(%S+) (.*)$')
    return tonumber(window), key
  end
end

-- What is known of the job that took a key last: its ticket (as text), until when it holds it even if it has ended, until when the window of
-- the one before it lasts, and its id.
local function taken_by(key)
  local text = call('HGET', prefix .. 'unique', key)
  if text then
    local ticket, ends, earliest, id = string.match(text, '^(%d+) ([^ ,]+),?(%d*) (.+)$')
    return ticket, tonumber(ends), tonumber(earliest), id
  end
end

-- The job that holds a key now, unless it is `own`, its state, until when it holds it even if it has ended, and when whoever takes its place may
-- start. One that is forgotten, and whose window lasts, is an id only.
function unique.holder_of(key, own)
  local ticket, ends, earliest, id = taken_by(key)
  if not ticket or (own and own.id == id and int(own.ticket) == ticket) then
    return nil
  end
  local lasts = ends and now < ends
  local job = jobs.load(id)
  if job and int(job.ticket) == ticket then
    local state = find.state_of(job)
    if lasts or state == 'scheduled' or state == 'ready' or state == 'running' then
      return job, state, ends, earliest
    end
  elseif lasts then
    return { id = id }, nil, ends, earliest
  end
end

-- Gives a key to a job, which was not to start before `earliest`, if that is given.
function unique.hold(key, job, window, earliest)
  local ends = window and job.enqueued + window
  if earliest then
    ends = math.max(ends or 0, earliest)
  end
  call('HSET', prefix .. 'unique', key, int(job.ticket) .. ' ' .. (ends and int(ends) or '-') .. (earliest and ',' .. int(earliest) or '') .. ' ' .. job.id)
  call('HSET', prefix .. 'keys', job.id, (window and int(window) or '-') .. ' ' .. key)
  if ends then
    call('ZADD', prefix .. 'windows', int(ends), key)
  end
end

-- The job whose end another one waits for.
function unique.leader_of(id)
  local _, key = unique.key_of(id)
  local _, _, _, leader = taken_by(key or '')
  return leader
end

-- Lets a new job wait for the end of the holder.
function unique.follow(key, job, window)
  jobs.put_due(job, NEVER)
  call('HSET', prefix .. 'keys', job.id, (window and int(window) or '-') .. ' ' .. key)
  call('HSET', prefix .. 'next', key, job.id)
end

-- Gives a key to the job that waits for it, if that still does. `ends` is when the window of the one before is over, if it lasts.
local function take_over(key, ends)
  local id = call('HGET', prefix .. 'next', key)
  local job = id and jobs.load(id)
  call('HDEL', prefix .. 'next', key)
  if not job or tonumber(call('ZSCORE', prefix .. 'due', jobs.member_of(job)) or 0) ~= NEVER then
    return
  end
  jobs.leave_waiting(job, 'scheduled')
  local earliest = ends and now < ends and ends or nil
  unique.hold(key, job, unique.key_of(id), earliest)
  local due = math.max(job.due, earliest or now, now)
  job.past.score = due - job.priority * STEP
  jobs.remember(job)
  if due > now then
    jobs.put_due(job, due)
  else
    jobs.put_ready(job)
  end
end

-- Jobs have ended: those that wait for that take their keys. One that has waited, and has ended, waits no more.
local function pass_on_those_of(ids)
  for index, text in pairs(#ids > 0 and call('HMGET', prefix .. 'keys', unpack(ids)) or {}) do
    local key = text and string.match(text, '^%S+ (.*)$')
    local follower = key and call('HGET', prefix .. 'next', key)
    if follower == ids[index] then
      call('HDEL', prefix .. 'next', key)
    elseif follower then
      local _, ends, _, id = taken_by(key)
      if id == ids[index] then
        take_over(key, ends)
      end
    end
  end
end

-- What the ends of this call mean for those who wait for them.
function unique.pass_keys_on()
  for _, entry in pairs(ended) do
    pass_on_those_of(entry.ids)
  end
  for _, group in ipairs(groups) do
    pass_on_those_of(read_ids(cmsgpack.unpack(group)[4]))
  end
  pass_on_those_of(died)
end

-- Takes the key from a job, if it has it.
local function free_key(job)
  local _, key = unique.key_of(job.id)
  local ticket = key and taken_by(key)
  if ticket == int(job.ticket) then
    call('HDEL', prefix .. 'unique', key)
    call('ZREM', prefix .. 'windows', key)
  end
end

-- A job is deleted: it has no key any more, and no window. Who waited for its end takes the key.
function unique.delete_key(job)
  local _, key = unique.key_of(job.id)
  local ticket = key and taken_by(key)
  if key and call('HGET', prefix .. 'next', key) == job.id then
    call('HDEL', prefix .. 'next', key)
  elseif ticket == int(job.ticket) then
    free_key(job)
    take_over(key)
  end
end

-- Forgets jobs, but for the windows that last.
function unique.forget_keys(ids)
  for _, id in ipairs(ids) do
    local job = jobs.load(id)
    local _, key = unique.key_of(id)
    if job and key then
      local ticket, ends = taken_by(key)
      if ticket == int(job.ticket) and not (ends and now < ends) then
        free_key(job)
      end
    end
  end
  call('HDEL', prefix .. 'keys', unpack(ids))
end

-- Forgets windows that are over, of jobs that are forgotten; the others' keys go with them. Whether there are more.
function unique.end_windows(most)
  local over = call('ZRANGEBYSCORE', prefix .. 'windows', '-inf', int(now), 'LIMIT', 0, most)
  for _, key in ipairs(over) do
    call('ZREM', prefix .. 'windows', key)
    local ticket, _, _, id = taken_by(key)
    local job = id and jobs.load(id)
    if ticket and not (job and int(job.ticket) == ticket) then
      call('HDEL', prefix .. 'unique', key)
    end
  end
  return #over == most
end
