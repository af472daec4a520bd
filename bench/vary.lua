-- A request of wrk's with another minute each time, so that nobody answers from a cache of answers.
local made, turn = {}, 0

function init(arguments)
   for minute = 0, 1439 do
      local clock = string.format("%02d:%02d", math.floor(minute / 60), minute % 60)
      made[minute] = wrk.format("GET", (wrk.path:gsub("HH:MM", clock)))
   end
end

function request()
   turn = (turn + 1) % 1440
   return made[turn]
end
