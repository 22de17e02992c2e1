-- Moves to other stores. `moving` has, by target, the one that is open: token and ids (MessagePack). Its jobs are in no other place, so
-- nobody is handed one of them; whether the target has them already, only whoever moves them can tell.

local function open_move(target)
  local packed = call('HGET', prefix .. 'moving', target)
  return packed and cmsgpack.unpack(packed)
end

-- Whether a job is on its way.
local moving -- by id
local function is_moving(id)
  if not moving then
    moving = {}
    for _, packed in ipairs(call('HVALS', prefix .. 'moving')) do
      for _, of in ipairs(cmsgpack.unpack(packed)[2]) do
        moving[of] = true
      end
    end
  end
  return moving[id]
end

local function state_of_moving(job)
  return job.due > now and 'scheduled' or 'ready'
end
