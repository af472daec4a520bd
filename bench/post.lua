-- One event in each request of wrk's, with an idempotency key that no other has.
local thread, sent = 0, 0

function setup(one)
   thread = thread + 1
   one:set("number", thread)
end

function request()
   sent = sent + 1
   local event = string.format(
      '{"meter_name":"requests","customer_external_id":"customer-%04d","quantity":"1.5",'
         .. '"idempotency_key":"single-%d-%d-%d","metadata":{"region":"eu-west-1","endpoint":"/v1/endpoint-%03d"}}',
      sent % 1000, os.time(), number, sent, sent % 100)
   return wrk.format("POST", wrk.path, wrk.headers, event)
end
