-- Ends a move whose jobs the target has, unless it has ended. Own arguments: the target, the token, how many jobs have moved, their ids; and
-- the ids of those that were cancelled there. All others of the move stay here, and do not move again. Answers the ids of those that someone
-- asked to cancel meanwhile; if there are any, nothing has ended.

local move = moving.open_move(ARGV[OWN])
if not move or move[1] ~= ARGV[OWN + 1] then
  return {}
end
local has_moved, is_cancelled, last = {}, {}, OWN + 2 + tonumber(ARGV[OWN + 2])
for index = OWN + 3, last do
  has_moved[ARGV[index]] = true
end
for index = last + 1, #ARGV do
  is_cancelled[ARGV[index]] = true
end

local wishes = {}
for _, id in ipairs(move[2]) do
  if has_moved[id] and is_asked(id) and not is_cancelled[id] then
    wishes[#wishes + 1] = id
  end
end
if #wishes > 0 then
  return wishes
end

-- What is left of a job: that its id is taken, and a digest to tell another job with that id.
local function leave_note(job)
  local head = string.format('%d %d - 0 - m %d %s', job.ticket, job.enqueued, #job.type, job.type)
  call('HSET', prefix .. 'jobs', job.id, head .. redis.sha1hex(string.sub(job.record, job.body)))
  call('SREM', prefix .. 'asked', job.id)
end

-- It has a past from now on, so that it does not move again, and a place of its own, because those in the list are before it.
local function stay(job)
  local head, body = string.sub(job.record, 1, job.body - 1), string.sub(job.record, job.body)
  call('HSET', prefix .. 'jobs', job.id, string.gsub(head, '^(%S+ %S+ %S+ %S+ %S+) l ', '%1 o ') .. body)
  jobs.remember(job)
  if job.due > now and not is_asked(job.id) then
    jobs.put_due(job, job.due)
  else
    jobs.put_back(job)
  end
end

local moved = {}
for _, id in ipairs(move[2]) do
  local job = jobs.load(id)
  if job and has_moved[id] then
    leave_note(job)
    moved[#moved + 1] = id
  elseif job then
    stay(job)
  end
end
call('HDEL', prefix .. 'moving', ARGV[OWN])
if #moved > 0 then
  call('RPUSH', prefix .. 'moved', cmsgpack.pack({ now, moved }))
  call('HINCRBY', prefix .. 'counts', 'moved', #moved)
end
write_down()
return {}
